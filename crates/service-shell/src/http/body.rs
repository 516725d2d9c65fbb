//! Reading request bodies, bounded in size and time.

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt as _;

use crate::{HttpConfig, Problem};

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// 413 where it is larger, 408 where it does not arrive within `http.body_timeout`, 400 where the client breaks off.
pub async fn read(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"));
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let patience =
        request.app_data::<HttpConfig>().map_or_else(|| HttpConfig::default().body_timeout, |c| c.body_timeout);
    let gather = async {
        let mut payload = payload;
        let mut body = BytesMut::with_capacity(declared.unwrap_or(0).min(limit));
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| Problem::bad_request(format!("the body broke off: {error}")))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(patience, gather).await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} s", patience.as_secs()),
        ))
    })
}
