//! Taking a connection over from the HTTP server: the way of streams that outlive their request by hours.
//!
//! An HTTP server keeps buffers, timers and a task for every open response. A stream needs none of them once its head is
//! made. So its handler answers as any handler does, with a body that never has anything, and says who shall have the
//! socket. What the server writes from then on, which is the head and what earlier answers on this connection still had to
//! send, is kept instead of sent; and when the server would flush it, the socket goes to its new owner. The server sees a
//! connection that its client has closed. Nothing is parsed, framed or limited twice.

use std::{
    cell::RefCell,
    convert::Infallible,
    io, mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{HttpRequest, web::Bytes, web::BytesMut};
use futures_util::Stream;
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
pub struct Takeover(Rc<RefCell<State>>);

#[derive(Default)]
enum State {
    /// The server's.
    #[default]
    Served,
    /// Wanted by `owner` as soon as the head is made.
    Wanted { owner: Owner, kept: BytesMut, head_is_made: bool },
    /// Its owner's.
    Taken,
}

/// The body of a response whose connection is taken over: never has anything, and lasts until that is done.
pub struct TakeoverBody(Takeover);

impl Takeover {
    /// Of the connection that brought `request`; `None` where it came some other way than by `serve`.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.conn_data::<Self>().cloned()
    }

    /// Gives the socket to `owner` once the head of the response is made, which must have this body, no length, no chunks
    /// and `Connection: close`. Where the connection breaks before, `owner` is dropped without a call.
    pub fn give_to(&self, owner: impl FnOnce(Taken) + 'static) -> TakeoverBody {
        let mut state = self.0.borrow_mut();
        if matches!(*state, State::Served) {
            *state = State::Wanted { owner: Box::new(owner), kept: BytesMut::new(), head_is_made: false };
        }
        TakeoverBody(self.clone())
    }
}

impl Stream for TakeoverBody {
    type Item = Result<Bytes, Infallible>;

    /// The server asks for the body when it has made the head.
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self.0.0.borrow_mut() {
            // Pending, so that what stands in line on this connection is not answered into the head. Whoever flushes the
            // head wakes the server again.
            State::Wanted { head_is_made, .. } => {
                *head_is_made = true;
                Poll::Pending
            }
            State::Served | State::Taken => Poll::Ready(None),
        }
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
        if let State::Wanted { kept, .. } = &mut *self.takeover.0.borrow_mut() {
            kept.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        // What is written behind the takeover answers requests that were sent behind that of the stream.
        self.with_socket(bytes.len(), |socket| socket.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = {
            let mut state = self.takeover.0.borrow_mut();
            match &*state {
                State::Wanted { head_is_made: true, .. } => Some(mem::replace(&mut *state, State::Taken)),
                _ => None,
            }
        };
        if let Some(State::Wanted { owner, kept, .. }) = taken
            && let Some(socket) = self.socket.take()
        {
            owner(Taken { socket, head: kept.freeze(), open: OpenConnection { _token: self.open.token() } });
            cx.waker().wake_by_ref();
        }
        self.with_socket((), |socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_socket((), |socket| socket.poll_shutdown(cx))
    }
}
