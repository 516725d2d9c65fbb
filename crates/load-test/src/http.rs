//! As much HTTP/1.1 as a client of Livewall needs, on a plain socket: what is measured is then the service, not a library.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::body::{Body, Malformed};

/// How long an answer may take: longer than any service waits for its broker.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head that is read.
const HEAD_BYTES: usize = 16 * 1024;

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Vec<u8>,
}

/// A request, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub struct Request {
    head: String,
    body: Vec<u8>,
}

/// A connection that is kept for further requests, and opened anew when the server has closed it.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    socket: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Head {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Reads a head, and how many bytes it took; `None` while its end has not come.
    ///
    /// # Errors
    /// What is no head, or is longer than any head of ours.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if bytes.len() > HEAD_BYTES { Err(Malformed("an endless head")) } else { Ok(None) };
        };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Malformed("a head that is not UTF-8"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|line| line.get(..3));
        let status = status.and_then(|status| status.parse().ok()).ok_or(Malformed("the status line"))?;
        let header =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let headers = lines.map(header).collect::<Option<_>>().ok_or(Malformed("a header without a colon"))?;
        Ok(Some((Self { status, headers }, end + 4)))
    }
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Request {
    /// `GET target`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `method target`, without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { head: format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n"), body: Vec::new() }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.head.push_str(part);
        }
        self
    }

    /// With a body.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let sized = self.header("Content-Type", content_type).header("Content-Length", &body.len().to_string());
        Self { body, ..sized }
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = if self.body.is_empty() && !self.head.starts_with("GET") && !self.head.contains("Content-Length") {
            "Content-Length: 0\r\n"
        } else {
            ""
        };
        [self.head.as_bytes(), length.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends it over a connection of its own.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub async fn send(&self, address: SocketAddr) -> io::Result<Response> {
        Connection::new(address).send(&self.to_bytes()).await
    }
}

impl Connection {
    /// To `address`, opened with the first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, socket: None, buffer: Vec::new() }
    }

    /// Sends one request and reads its answer. A kept connection that the server had closed is opened anew, once.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<Response> {
        let kept = self.socket.is_some();
        match self.try_send(request).await {
            Err(_) if kept && self.buffer.is_empty() => self.try_send(request).await,
            outcome => outcome,
        }
    }

    async fn try_send(&mut self, request: &[u8]) -> io::Result<Response> {
        self.buffer.clear();
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(self.address).await?,
        };
        let exchange = async {
            socket.write_all(request).await?;
            read_response(&mut socket, &mut self.buffer).await
        };
        let (response, reusable) = timeout(PATIENCE, exchange).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if reusable {
            self.socket = Some(socket);
        }
        Ok(response)
    }
}

/// A connection without Nagle's delay.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Reads a head into `buffer`, which keeps what came behind it.
pub(crate) async fn read_head(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Head> {
    loop {
        if let Some((head, len)) = Head::read(buffer).map_err(io::Error::other)? {
            buffer.drain(..len);
            return Ok(head);
        }
        if socket.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The answer, and whether its connection can be used again.
async fn read_response(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<(Response, bool)> {
    let head = loop {
        let head = read_head(socket, buffer).await?;
        if head.status >= 200 {
            break head;
        }
    };
    let mut framing = Body::of(&head).map_err(io::Error::other)?;
    let mut body = Vec::new();
    loop {
        let mut bytes = buffer.as_slice();
        while let Some(piece) = framing.next(&mut bytes).map_err(io::Error::other)? {
            body.extend_from_slice(piece);
        }
        if framing.is_complete() {
            break;
        }
        buffer.clear();
        if socket.read_buf(buffer).await? == 0 {
            if framing.lasts_until_close() {
                break;
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let closes = head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok((Response { head, body }, !closes && !framing.lasts_until_close()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each request on each connection with the next of `answers`; an answer that ends in `!` closes.
    async fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let mut answers = answers.iter();
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                while socket.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
                    if !request.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    request.clear();
                    let Some(answer) = answers.next() else { return };
                    let (text, close) = answer.strip_suffix('!').map_or((*answer, false), |text| (text, true));
                    socket.write_all(text.as_bytes()).await.expect("the client reads");
                    if close {
                        break;
                    }
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_opened_anew_when_the_server_has_closed_it() {
        let address = server(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n!",
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n!",
            "HTTP/1.1 200 OK\r\nX-Name:  value \r\n\r\nuntil the end!",
        ])
        .await;
        let mut connection = Connection::new(address);
        let request = Request::get("/").header("accept", "*/*").to_bytes();
        let mut answers = Vec::new();
        for _ in 0..4 {
            let response = connection.send(&request).await.expect("an answer");
            answers.push((response.head.status, response.text()));
            if answers.len() == 4 {
                assert_eq!(response.head.header("x-name"), Some("value"));
            }
        }
        let expected = [(200, "ab"), (404, "c"), (204, ""), (200, "until the end")];
        assert_eq!(answers, expected.map(|(status, text)| (status, text.to_owned())));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        let address = server(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab!"]).await;
        assert!(Request::get("/").send(address).await.is_err());
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let text = |request: Request| String::from_utf8(request.to_bytes()).expect("ASCII");
        assert_eq!(text(Request::get("/a")), "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(text(Request::new("PUT", "/a")).contains("Content-Length: 0\r\n"));
        assert!(text(Request::new("POST", "/").body("text/plain", "abc")).ends_with("Content-Length: 3\r\n\r\nabc"));
    }
}
