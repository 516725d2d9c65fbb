//! Taking a connection over from the HTTP server: the way of streams that outlive their request by hours.
//!
//! An HTTP server keeps buffers, timers and a task for every open response. A stream needs none of them once its head is
//! made. So its handler answers as any handler does, with an empty body of unknown length and `Connection: close`, and
//! says beforehand who shall have the socket. What the server writes from then on, which is that head and what earlier
//! answers on this connection still had to send, is kept instead of sent; and when the server closes the connection, the
//! socket goes to its new owner in place of being shut down. Nothing is parsed, framed or limited twice.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{HttpRequest, web::Bytes, web::BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// A connection that the server has let go of.
pub struct Taken {
    /// The socket, without Nagle's delay.
    pub socket: TcpStream,
    /// What has to be sent before anything else: the head of the response.
    pub head: Bytes,
    /// Must live as long as the socket: the shutdown waits for it.
    pub open: OpenConnection,
}

/// Keeps the server's shutdown waiting, at most for `http.drain`.
#[derive(Debug)]
pub struct OpenConnection {
    _token: TaskTrackerToken,
}

type Owner = Box<dyn FnOnce(Taken)>;

/// The connection of a request, as its handler may take it.
#[derive(Clone)]
pub struct Takeover(Rc<RefCell<Option<Capture>>>);

struct Capture {
    owner: Owner,
    kept: BytesMut,
}

impl Takeover {
    /// Of the connection that brought `request`; `None` where it came some other way than by `serve`.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.conn_data::<Self>().cloned()
    }

    /// Gives the socket to `owner` when the server closes this connection, which it does after the response if that has
    /// `Connection: close`. Where the connection breaks before, `owner` is dropped without a call.
    pub fn give_to(&self, owner: impl FnOnce(Taken) + 'static) {
        *self.0.borrow_mut() = Some(Capture { owner: Box::new(owner), kept: BytesMut::new() });
    }
}

/// A connection as the HTTP server sees it.
pub(super) struct Connection {
    /// `None` once it was taken over.
    socket: Option<TcpStream>,
    takeover: Takeover,
    open: TaskTracker,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, open: TaskTracker) -> Self {
        Self { socket: Some(socket), takeover: Takeover(Rc::default()), open }
    }

    pub(super) fn takeover(&self) -> Takeover {
        self.takeover.clone()
    }

    fn with_socket<T>(
        &mut self,
        gone: T,
        act: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.socket {
            Some(socket) => act(Pin::new(socket)),
            None => Poll::Ready(Ok(gone)),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with_socket((), |socket| socket.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(capture) = self.takeover.0.borrow_mut().as_mut() {
            capture.kept.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        self.with_socket(bytes.len(), |socket| socket.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_socket((), |socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let capture = self.takeover.0.borrow_mut().take();
        if let Some(Capture { owner, kept }) = capture
            && let Some(socket) = self.socket.take()
        {
            owner(Taken { socket, head: kept.freeze(), open: OpenConnection { _token: self.open.token() } });
        }
        self.with_socket((), |socket| socket.poll_shutdown(cx))
    }
}
