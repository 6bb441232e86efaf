//! How JSON-RPC travels: by the HTTP client of all chains, which follows no redirections, and with no answer longer than it may be.

use std::task::{Context, Poll};

use alloy::providers::RootProvider;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use reqwest::{Client, Url};
use tower_service::Service;

use crate::endpoints::{Fault, read_body, silent};

/// The way to one endpoint.
pub(super) fn provider(client: Client, url: Url) -> RootProvider {
    // Nothing is polled, so it does not matter whether the endpoint is on this machine.
    RootProvider::new(RpcClient::new(Transport { client, url }, false))
}

#[derive(Clone)]
struct Transport {
    client: Client,
    url: Url,
}

impl Service<RequestPacket> for Transport {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> TransportFut<'static> {
        let sent = self.client.post(self.url.clone()).json(&request).send();
        Box::pin(async move { answer(sent).await.map_err(TransportErrorKind::custom) })
    }
}

async fn answer(
    sent: impl Future<Output = reqwest::Result<reqwest::Response>>,
) -> Result<ResponsePacket, Fault> {
    let response = sent.await.map_err(silent)?;
    let status = response.status();
    let body = read_body(response).await?;
    // Some services say with a status what the answer says better.
    match serde_json::from_slice(&body) {
        Ok(answer) => Ok(answer),
        Err(error) if status.is_success() => Err(Fault::Malformed {
            reason: error.to_string(),
        }),
        Err(_) => Err(Fault::Status {
            status: status.as_u16(),
            reason: String::from_utf8_lossy(&body).chars().take(200).collect(),
        }),
    }
}

/// What went wrong on the way.
pub(super) fn fault(kind: &TransportErrorKind) -> Fault {
    match kind {
        TransportErrorKind::Custom(error) => match error.downcast_ref::<Fault>() {
            Some(fault) => fault.clone(),
            None => Fault::Malformed {
                reason: error.to_string(),
            },
        },
        other => Fault::Malformed {
            reason: other.to_string(),
        },
    }
}
