//! Stellar, through Horizon's HTTP API.
