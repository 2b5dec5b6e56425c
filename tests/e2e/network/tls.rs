//! Certificates: the step against a Fleet server behind TLS.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sim::fleet::FleetServer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use crate::command::{Finished, run};
use crate::one_step::{self, HOST, TOKEN, host};

/// Ends TLS before a plain server, with a certificate that nobody knows. Returns its port and the certificate in PEM.
async fn tls_before(server: &FleetServer) -> (u16, String) {
    tls_that_asks(server, None).await
}

/// The same; with an authority, only for clients that have a certificate of it.
async fn tls_that_asks(server: &FleetServer, authority: Option<&CertificateDer<'static>>) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match authority {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = server.url().trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up here.
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, made.cert.pem())
}

/// Asks through TLS, with these params besides.
async fn ask(folder: &Path, port: u16, more: serde_json::Value) -> Finished {
    let mut params = more;
    params["base_url"] = format!("https://localhost:{port}").into();
    let playbook = one_step::write(folder, &params, &json!({}));
    run(&["run", &playbook, "--output", "json"], &[("token", TOKEN)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_certificate_is_trusted_only_when_the_playbook_says_so() {
    let server = one_step::fleet(vec![host(HOST)]).await;
    let (port, certificate) = tls_before(&server).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), certificate).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "no certificate").unwrap();
    let ask = async |more: serde_json::Value| ask(folder.path(), port, more).await;
    let refused = ask(json!({})).await;
    assert_eq!(refused.code(), 1, "{}", refused.stderr);
    let error = &refused.report()["steps"][0]["error"];
    assert!(error["message"].as_str().unwrap().contains("certificate"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("ca_file"), "{error}");
    assert!(
        server.requests().is_empty(),
        "nothing was sent over a connection that is not trusted"
    );

    for more in [json!({"ca_file": "ca.pem"}), json!({"verify_tls": false})] {
        let done = ask(more.clone()).await;
        assert_eq!(done.code(), 0, "{more}: {}{}", done.stdout, done.stderr);
    }
    let before = server.requests().len();
    for file in ["empty.pem", "missing.pem"] {
        let done = ask(json!({"ca_file": file})).await;
        assert_eq!(done.code(), 2, "{}", done.stdout);
        assert!(done.stderr.contains("CA file"), "{}", done.stderr);
    }
    assert_eq!(server.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_who_we_are_is_shown_a_certificate() {
    let server = one_step::fleet(vec![host(HOST)]).await;
    let client = rcgen::generate_simple_self_signed(vec!["playbook".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["playbook".to_owned()]).unwrap();
    let (port, authority) = tls_that_asks(&server, Some(client.cert.der())).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, mode: u32, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let key = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| made.signing_key.serialize_pem();
    write("ca.pem", 0o644, authority);
    write("client.pem", 0o600, client.cert.pem() + &key(&client));
    write("exposed.pem", 0o644, client.cert.pem() + &key(&client));
    write("keyless.pem", 0o600, client.cert.pem());
    write("mixed.pem", 0o600, client.cert.pem() + &key(&other));
    let ask = async |certificate: Option<&str>| {
        let mut more = json!({"ca_file": "ca.pem"});
        if let Some(file) = certificate {
            more["client_certificate"] = file.into();
        }
        ask(folder.path(), port, more).await
    };
    let unknown = ask(None).await;
    assert_eq!(unknown.code(), 1, "{}{}", unknown.stdout, unknown.stderr);
    for (file, code, words) in [
        ("exposed.pem", 2, "others can use the private key"),
        ("keyless.pem", 2, "no private key"),
        ("mixed.pem", 2, "not the certificate's"),
        ("missing.pem", 2, "cannot read the client certificate"),
    ] {
        let done = ask(Some(file)).await;
        assert_eq!(done.code(), code, "{file}: {}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains(words), "{file}: {}", done.stderr);
    }
    assert!(server.requests().is_empty());
    let done = ask(Some("client.pem")).await;
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
}
