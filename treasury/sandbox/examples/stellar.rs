//! The sandbox alone, without building a node: `stellar [ADDRESS]`. Prints the address that it listens on.

use std::net::SocketAddr;

use treasury_sandbox::horizon::Sandbox;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .map_or(Ok(SocketAddr::from(([127, 0, 0, 1], 8000))), |text| {
            text.parse()
        })
        .map_err(std::io::Error::other)?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let sandbox = Sandbox::new("Guardian Circle sandbox");
    axum::serve(listener, sandbox.router()).await
}
