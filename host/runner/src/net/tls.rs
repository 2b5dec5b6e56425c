//! How a server's certificate is checked.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use secrecy::{ExposeSecret as _, SecretSlice};

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Trust {
    /// The platform's certificate authorities.
    #[default]
    Platform,
    /// The platform's certificate authorities and these, in PEM.
    PlatformAnd(Vec<u8>),
    /// Anybody: the connection is encrypted but may end at an impostor.
    Anybody,
}

/// How a connection is secured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Tls {
    /// Whom to trust.
    pub trust: Trust,
    /// Who we are, if the server asks for a certificate.
    pub identity: Option<Identity>,
}

impl From<Trust> for Tls {
    fn from(trust: Trust) -> Self {
        Self { trust, identity: None }
    }
}

/// A client certificate with its chain, and its private key, in PEM. Never shown.
#[derive(Clone)]
pub struct Identity(Arc<SecretSlice<u8>>);

impl Identity {
    /// What a file holds.
    pub fn new(pem: Vec<u8>) -> Self {
        Self(Arc::new(pem.into()))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.expose_secret().hash(state);
    }
}

/// Why certificates could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file holds no usable certificate in PEM.
    #[error("the CA file holds no usable certificate in PEM format{}", .0.as_deref().map(|e| format!(": {e}")).unwrap_or_default())]
    CaFile(Option<String>),
    /// The file holds no certificate with its private key.
    #[error("the client certificate's file {0}")]
    ClientCertificate(String),
    /// The platform's certificates could not be read.
    #[error("the platform's certificate authorities cannot be used: {0}")]
    Platform(String),
}

/// The client configuration that is secured so.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let platform = |e: rustls::Error| TlsError::Platform(e.to_string());
    let verifier: Arc<dyn ServerCertVerifier> = match &tls.trust {
        Trust::Platform => Arc::new(Verifier::new(provider.clone()).map_err(platform)?),
        Trust::PlatformAnd(pem) => {
            let extra: Vec<_> = CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                // The error of the parser quotes the line, and the file may be any file.
                .map_err(|_| TlsError::CaFile(None))?;
            if extra.is_empty() {
                return Err(TlsError::CaFile(None));
            }
            let verifier = Verifier::new_with_extra_roots(extra, provider.clone());
            Arc::new(verifier.map_err(|e| TlsError::CaFile(Some(e.to_string())))?)
        }
        Trust::Anybody => Arc::new(NoVerification(provider.clone())),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(platform)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(identity) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let wrong = |why: &str| TlsError::ClientCertificate(why.into());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(identity.0.expose_secret())
        .collect::<Result<_, _>>()
        .map_err(|_| wrong("holds something that is no certificate in PEM format"))?;
    if chain.is_empty() {
        return Err(wrong("holds no certificate in PEM format"));
    }
    // What the library says of a key could quote it.
    let key = PrivateKeyDer::from_pem_slice(identity.0.expose_secret())
        .map_err(|_| wrong("holds no private key in PEM format, or one that is encrypted"))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|_| wrong("holds a private key that is not the certificate's"))
}

/// Accepts every certificate; signatures are still checked, so the peer holds the key it shows.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    #[expect(
        clippy::disallowed_methods,
        reason = "what `verify_tls: false` asks for, with a warning"
    )]
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
