//! The few requests that the tool itself makes to the API server, as the cluster's admin.

use super::record::Record;
use crate::TestbedError;
use serde_json::Value;
use std::time::Duration;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// For one request; the API server's own limit is 60 s.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const ANSWER_LIMIT_BYTES: u64 = 16 << 20;

/// A client with the admin's certificate.
pub(crate) struct Api {
    agent: ureq::Agent,
    server: String,
}

impl Api {
    pub(crate) fn of(record: &Record) -> Result<Self, TestbedError> {
        let read = |file: &str| {
            let path = record.pki(file);
            std::fs::read(&path).map_err(TestbedError::file("read", path))
        };
        let bad = |file: &str, source: ureq::Error| TestbedError::Content {
            path: record.pki(file),
            source: Box::new(source),
        };
        let pem =
            |file: &str| Certificate::from_pem(&read(file)?).map_err(|source| bad(file, source));
        let key =
            PrivateKey::from_pem(&read("admin.key")?).map_err(|source| bad("admin.key", source))?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[pem("ca.crt")?]))
            .client_cert(Some(ClientCert::new_with_certs(&[pem("admin.crt")?], key)))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Ok(Self { agent, server: record.server() })
    }

    /// Whether the API server answers `/readyz` with ok; an unreachable one does not.
    pub(crate) fn is_ready(&self) -> bool {
        let answer = self.agent.get(format!("{}/readyz", self.server)).call();
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The object or list at `path`; nothing when there is none.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Value>, TestbedError> {
        let answer = self.agent.get(format!("{}{path}", self.server)).call();
        let (status, body) = self.answer("get", path, answer)?;
        if status == 404 { Ok(None) } else { accepted("get", path, status, body).map(Some) }
    }

    /// Applies the object on the server's side, taking over every field.
    pub(crate) fn apply(&self, path: &str, object: &Value) -> Result<Value, TestbedError> {
        let url = format!("{}{path}?fieldManager=orlop-testbed&force=true", self.server);
        let answer = self
            .agent
            .patch(url)
            .header("Content-Type", "application/apply-patch+yaml")
            .send(object.to_string());
        let (status, body) = self.answer("apply", path, answer)?;
        accepted("apply", path, status, body)
    }

    /// The status and the JSON body of an answer.
    fn answer(
        &self,
        verb: &str,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<(u16, Value), TestbedError> {
        let failed = |source| TestbedError::Request {
            operation: format!("{verb} {}{path}", self.server),
            source: Box::new(source),
        };
        let mut answer = answer.map_err(failed)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_LIMIT_BYTES).read_to_string();
        let text = text.map_err(failed)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

fn accepted(verb: &str, path: &str, status: u16, body: Value) -> Result<Value, TestbedError> {
    if status < 300 {
        return Ok(body);
    }
    let message = body.get("message").and_then(Value::as_str).map(str::to_owned);
    let message = message.unwrap_or_else(|| body.to_string());
    Err(TestbedError::Refused { operation: format!("{verb} {path}"), status, message })
}
