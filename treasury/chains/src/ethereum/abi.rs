//! What is asked of contracts, and what they write into the log.

// The macro writes items that say nothing about themselves.
#![allow(missing_docs)]

alloy::sol! {
    function VERSION() returns (string);
    function getOwners() returns (address[]);
    function getThreshold() returns (uint256);
    function nonce() returns (uint256);
    function getModulesPaginated(address start, uint256 page_size) returns (address[] modules, address next);

    function proxyCreationCode() returns (bytes);

    function balanceOf(address owner) returns (uint256);

    event ExecutionSuccess(bytes32 indexed hash, uint256 payment);
    event ExecutionFailure(bytes32 indexed hash, uint256 payment);
    event SafeReceived(address indexed sender, uint256 value);
    event Transfer(address indexed from, address indexed to, uint256 units);
}
