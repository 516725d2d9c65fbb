//! The PROXY protocol, versions 1 and 2: what a load balancer that passes bytes on says first about its client.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use ppp::{v1, v2};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

/// What version 2 begins with, and more than the shortest header of version 1 leaves behind.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, line end included.
const LONGEST_V1: usize = 107;
/// The longest rest of a header of version 2 that is read: addresses and what balancers add to them.
const LONGEST_V2: usize = 4096;

/// Peers that speak it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Balancers {
    networks: Vec<IpNet>,
    patience: Duration,
}

impl Balancers {
    /// The peers in `networks`, which send their header within `patience`.
    pub(crate) fn new(networks: Vec<IpNet>, patience: Duration) -> Self {
        Self { networks, patience }
    }

    /// Whose connection this is. From a balancer the header is read, and nothing behind it; from others nothing.
    ///
    /// # Errors
    /// Where a balancer sends no header, or a malformed one: whose connection it is must not be guessed.
    pub(crate) async fn client_of(&self, socket: &mut TcpStream) -> io::Result<SocketAddr> {
        let peer = socket.peer_addr()?;
        if !self.speaks(peer.ip()) {
            return Ok(peer);
        }
        let client = timeout(self.patience, read(socket)).await;
        let client = client.unwrap_or_else(|_| Err(malformed("did not come in time")))?;
        // A check of the balancer's own, or a client of another family, is the balancer's.
        Ok(client.unwrap_or(peer))
    }

    fn speaks(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }
}

async fn read(socket: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; SIGNATURE.len()];
    socket.read_exact(&mut header).await?;
    if header == SIGNATURE {
        header.resize(16, 0);
        socket.read_exact(&mut header[12..]).await?;
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if rest > LONGEST_V2 {
            return Err(malformed("is too long"));
        }
        header.resize(16 + rest, 0);
        socket.read_exact(&mut header[16..]).await?;
        return second(&header);
    }
    while !header.ends_with(b"\n") {
        if !header.starts_with(b"PROXY ") || header.len() == LONGEST_V1 {
            return Err(malformed("is none"));
        }
        header.push(socket.read_u8().await?);
    }
    first(&header)
}

fn first(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let header = v1::Header::try_from(header).map_err(|error| malformed(&error.to_string()))?;
    Ok(match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(of) => Some((of.source_address, of.source_port).into()),
        v1::Addresses::Tcp6(of) => Some((of.source_address, of.source_port).into()),
    })
}

fn second(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let header = v2::Header::try_from(header).map_err(|error| malformed(&error.to_string()))?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(of)) => Some((of.source_address, of.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(of)) => Some((of.source_address, of.source_port).into()),
        _ => None,
    })
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the header of the PROXY protocol {what}"))
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    /// What comes of `bytes` from a balancer, and what is left on the socket behind the header.
    async fn client_of(bytes: &[u8]) -> io::Result<(SocketAddr, Vec<u8>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut balancer = TcpStream::connect(listener.local_addr()?).await?;
        balancer.write_all(bytes).await?;
        balancer.shutdown().await?;
        let (mut socket, _) = listener.accept().await?;
        let balancers = Balancers::new(vec!["127.0.0.0/8".parse().expect("a network")], Duration::from_secs(10));
        let client = balancers.client_of(&mut socket).await?;
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await?;
        Ok((client, rest))
    }

    fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[0x20 | command, family], &len, body, b"GET"].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_what_follows() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let v6 = [&[0x20, 1, 0xd, 0xb8], &[0; 11][..], &[1], &[0; 16], &[0x12, 0x67, 0, 80]].concat();
        for (bytes, client) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\nGET".to_vec(), "192.0.2.1:4711"),
            (b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\nGET".to_vec(), "[2001:db8::1]:4711"),
            (version_2(1, 0x11, &v4), "192.0.2.1:4711"),
            (version_2(1, 0x11, &[&v4[..], &[4, 0, 3, 1, 2, 3]].concat()), "192.0.2.1:4711"),
            (version_2(1, 0x21, &v6), "[2001:db8::1]:4711"),
        ] {
            let (found, rest) = client_of(&bytes).await.expect("a header");
            assert_eq!((found.to_string().as_str(), &rest[..]), (client, &b"GET"[..]));
        }
    }

    #[tokio::test]
    async fn a_balancer_that_speaks_for_itself_is_the_client() {
        for bytes in [b"PROXY UNKNOWN\r\nGET".to_vec(), version_2(0, 0, &[]), version_2(1, 0, &[])] {
            let (found, rest) = client_of(&bytes).await.expect("a header");
            assert_eq!((found.ip().to_string().as_str(), &rest[..]), ("127.0.0.1", &b"GET"[..]));
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 x\r\nGET".to_vec(),
            [b"PROXY ".to_vec(), vec![b'x'; 200]].concat(),
            b"PROXY TCP4".to_vec(),
            SIGNATURE.to_vec(),
            [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat(),
        ] {
            assert!(client_of(&bytes).await.is_err(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test]
    async fn from_others_nothing_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut stranger = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        stranger.write_all(b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n").await.expect("sent");
        let (mut socket, peer) = listener.accept().await.expect("accepted");
        let balancers = Balancers::new(vec!["10.0.0.0/8".parse().expect("a network")], Duration::ZERO);
        assert_eq!(balancers.client_of(&mut socket).await.expect("not asked"), peer);
        let mut begin = [0; 5];
        socket.read_exact(&mut begin).await.expect("still there");
        assert_eq!(&begin, b"PROXY");
    }
}
