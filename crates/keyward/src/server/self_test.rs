//! The cryptography's known answers, before there is anything to protect: a server that computes
//! wrongly does not start.

use keyward_crypto::self_test::{engine, run_against};

use crate::server::error::StartError;

/// Computes every known answer and says what computed them.
pub fn before_anything(answers: &str) -> Result<(), StartError> {
    let ran = run_against(answers)?;
    let engine = engine();
    tracing::info!(
        ran,
        engine = engine.name,
        version = engine.version,
        "self-tests passed"
    );
    if let Some(module) = engine.fips_module {
        // A build that gave the feature to one half only would say one thing and do another.
        if !rustls::crypto::aws_lc_rs::default_provider().fips() {
            return Err(StartError::TlsOutsideFipsModule);
        }
        tracing::info!(
            module,
            "keys and TLS use the FIPS module; algorithms outside it are refused"
        );
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use keyward_crypto::self_test::answers;

    use super::*;

    #[test]
    fn a_wrong_answer_keeps_the_server_from_starting() {
        before_anything(answers()).unwrap();
        let broken = answers().replace("sha-256 ba", "sha-256 bb");
        let refused = before_anything(&broken).unwrap_err();
        assert!(matches!(refused, StartError::SelfTest(_)));
        assert!(refused.to_string().contains("SHA-256"), "{refused}");
    }
}
