//! A TCP proxy that can be told to misbehave as networks do.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// How much goes through at one time.
const PIECE: usize = 16 * 1024;
/// A slow way lets one small piece through in each such time: 40 KiB/s, after 50 ms.
const SLOW_EVERY: Duration = Duration::from_millis(50);
const SLOW_PIECE: usize = 2 * 1024;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All goes through.
    Open,
    /// Connections are closed at once, those that there are and those that come.
    Cut,
    /// Connections stay and come, and nothing goes through; afterwards it goes on where it stopped.
    Stalled,
    /// Little goes through, and late.
    Slow,
    /// For the connections that there are, the other end has gone without a word, for good: what is sent is taken and
    /// lost, as by a router that has forgotten them. New ones are as good as ever.
    HalfOpen,
}

/// Listens at an address and passes every connection on to another.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Begins to listen at `address`, for `target`, which need not be there yet.
    ///
    /// # Errors
    /// Where it cannot listen there.
    pub async fn start(address: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (way, seen) = watch::channel(Way::Open);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((near, _)) = accepted {
                        connections.spawn(connection(near, target, seen.clone()));
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, way, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, from its beginning to its end.
async fn connection(near: TcpStream, target: SocketAddr, mut way: watch::Receiver<Way>) {
    if *way.borrow_and_update() == Way::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near, far) = (Arc::new(near), Arc::new(far));
    let both = async {
        // Each direction goes on until its own end: a client may close its sending half and still read.
        let (there, back) = tokio::join!(pass(&near, &far, way.clone()), pass(&far, &near, way.clone()));
        drop((there, back));
    };
    let mut cut = way.clone();
    tokio::select! {
        () = both => {}
        _ = cut.wait_for(|way| *way == Way::Cut) => {}
    }
}

/// Passes on what comes from one end, until that end has closed.
async fn pass(from: &TcpStream, to: &TcpStream, mut way: watch::Receiver<Way>) -> io::Result<()> {
    let mut lost = false;
    // What it was at the beginning was decided then: a half-open way is open for new connections.
    way.mark_unchanged();
    let mut piece = vec![0; PIECE];
    loop {
        tokio::select! {
            ready = from.readable() => ready?,
            changed = way.changed() => {
                changed.map_err(io::Error::other)?;
                lost |= *way.borrow_and_update() == Way::HalfOpen;
                continue;
            }
        }
        // Checked before anything is taken out of the socket: what is held back stays with the sender, and its window
        // fills.
        if *way.borrow() == Way::Stalled && !lost {
            let now = *way.wait_for(|way| *way != Way::Stalled).await.map_err(io::Error::other)?;
            lost |= now == Way::HalfOpen;
        }
        let slow = *way.borrow() == Way::Slow;
        let most = if slow { SLOW_PIECE } else { PIECE };
        let read = match from.try_read(&mut piece[..most]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        if lost {
            // The end is not passed on either.
            if read == 0 {
                return Ok(());
            }
            continue;
        }
        if slow {
            sleep(SLOW_EVERY).await;
        }
        if read == 0 {
            return shutdown(to);
        }
        write_all(to, &piece[..read]).await?;
    }
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends the sending half.
fn shutdown(socket: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::shutdown(socket, rustix::net::Shutdown::Write)?)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::{Instant, timeout},
    };

    use super::*;

    const SOON: Duration = Duration::from_secs(10);
    /// Long enough to see that nothing comes.
    const A_WHILE: Duration = Duration::from_millis(200);

    /// A proxy before a server that sends back what it gets.
    async fn echo() -> Proxy {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let target = server.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = socket.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        Proxy::start("127.0.0.1:0".parse().expect("an address"), target).await.expect("a free port")
    }

    async fn answer(socket: &mut TcpStream, word: &[u8]) -> io::Result<Vec<u8>> {
        socket.write_all(word).await?;
        let mut answer = vec![0; word.len()];
        socket.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn an_open_way_passes_everything_on_ends_included() {
        let proxy = echo().await;
        let mut socket = TcpStream::connect(proxy.address()).await.expect("it listens");
        let long = vec![7; 300_000];
        let (mut read, mut write) = socket.split();
        let mut back = Vec::new();
        let send = async {
            write.write_all(&long).await?;
            write.shutdown().await
        };
        let (sent, received) = tokio::join!(send, read.read_to_end(&mut back));
        assert!(sent.is_ok() && received.is_ok() && back == long);
    }

    #[tokio::test]
    async fn a_cut_closes_what_there_is_and_what_comes_and_then_is_over() {
        let proxy = echo().await;
        let mut old = TcpStream::connect(proxy.address()).await.expect("it listens");
        answer(&mut old, b"hello").await.expect("open");
        proxy.set(Way::Cut);
        assert!(!matches!(timeout(SOON, old.read(&mut [0; 9])).await.expect("an end"), Ok(1..)));
        let mut new = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert!(!matches!(timeout(SOON, new.read(&mut [0; 9])).await.expect("an end"), Ok(1..)));
        proxy.set(Way::Open);
        let mut new = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert_eq!(answer(&mut new, b"again").await.expect("open"), b"again");
    }

    #[tokio::test]
    async fn a_stall_holds_back_and_loses_nothing() {
        let proxy = echo().await;
        let mut socket = TcpStream::connect(proxy.address()).await.expect("it listens");
        answer(&mut socket, b"hello").await.expect("open");
        proxy.set(Way::Stalled);
        socket.write_all(b"later").await.expect("taken");
        let mut answer = [0; 5];
        assert!(timeout(A_WHILE, socket.read(&mut answer)).await.is_err());
        proxy.set(Way::Open);
        timeout(SOON, socket.read_exact(&mut answer)).await.expect("in time").expect("open");
        assert_eq!(&answer, b"later");
    }

    #[tokio::test]
    async fn a_slow_way_is_slow_and_loses_nothing() {
        let proxy = echo().await;
        let mut socket = TcpStream::connect(proxy.address()).await.expect("it listens");
        proxy.set(Way::Slow);
        let (word, began) = (vec![5; 4 * SLOW_PIECE], Instant::now());
        assert_eq!(timeout(SOON, answer(&mut socket, &word)).await.expect("in time").expect("open"), word);
        assert!(began.elapsed() >= SLOW_EVERY * 4);
    }

    #[tokio::test]
    async fn a_half_open_connection_stays_dead_and_a_new_one_is_alive() {
        let proxy = echo().await;
        let mut old = TcpStream::connect(proxy.address()).await.expect("it listens");
        answer(&mut old, b"hello").await.expect("open");
        proxy.set(Way::HalfOpen);
        let mut new = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert_eq!(timeout(SOON, answer(&mut new, b"alive")).await.expect("in time").expect("open"), b"alive");
        proxy.set(Way::Open);
        old.write_all(b"lost").await.expect("taken");
        assert!(timeout(A_WHILE, old.read(&mut [0; 9])).await.is_err(), "neither an answer nor an end");
        assert_eq!(answer(&mut new, b"alive").await.expect("open"), b"alive");
    }
}
