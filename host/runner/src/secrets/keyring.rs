//! Secrets from the keyring of the operating system.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{LookupError, Secrets};

impl Secrets {
    /// Looks secrets up in the system's keyring: the kernel's on Linux, the keychain on macOS, the credential manager on
    /// Windows. `service` is under what they are kept there, and their names are the users.
    pub async fn from_keyring(service: &str, names: &[String]) -> Result<Self, LookupError> {
        let mut found = BTreeMap::new();
        for name in names {
            let (key, user) = (service.to_owned(), name.clone());
            // It may ask the user to unlock it.
            let asked = tokio::task::spawn_blocking(move || keyring::Entry::new(&key, &user)?.get_password()).await;
            let value = asked.expect("looking up a password does not panic");
            let value = value.map_err(|error| LookupError::Keyring {
                service: service.to_owned(),
                name: name.clone(),
                reason: reason(&error),
            })?;
            found.insert(name.clone(), SecretString::from(value));
        }
        Ok(Self::new(found))
    }
}

/// The keyring's words, which never hold the value: those that might are said in ours.
fn reason(error: &keyring::Error) -> String {
    match error {
        keyring::Error::NoEntry => "there is no such entry".into(),
        keyring::Error::BadEncoding(_) => "it is no text".into(),
        keyring::Error::NoStorageAccess(cause) | keyring::Error::PlatformFailure(cause) => cause.to_string(),
        _ => "the keyring cannot be used".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_keyring_without_the_secret_says_so() {
        let refused = Secrets::from_keyring("playbook-test-of-nothing", &["token".into()]).await;
        let message = refused.unwrap_err().to_string();
        assert!(
            message.contains("`playbook-test-of-nothing` has no readable `token`"),
            "{message}"
        );
    }
}
