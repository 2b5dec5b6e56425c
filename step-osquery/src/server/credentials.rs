//! The credentials for a server.

use crate::contract::{Failure, FailureKind};

/// The credentials of a user. The texts are handles, unless the author wrote the secret into the playbook.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A token.
    Token(String),
    /// A user who logs in.
    Password {
        /// The user; for Fleet an e-mail address.
        username: String,
        /// The password.
        password: String,
    },
}

impl Credentials {
    /// Accepts either a token or a username with a password, none of them empty.
    pub(crate) fn choose(
        token: Option<String>,
        username: Option<String>,
        password: Option<String>,
    ) -> Result<Self, Failure> {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        match (token, username, password) {
            (Some(token), None, None) if !token.is_empty() => Ok(Self::Token(token)),
            (None, Some(username), Some(password))
                if given(&Some(username.clone())) && given(&Some(password.clone())) =>
            {
                Ok(Self::Password { username, password })
            }
            _ => Err(Failure::new(
                FailureKind::InvalidParams,
                "give either api_token, or username and password, and leave none of them empty",
            )),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Password { .. } => "Password",
        })
    }
}
