//! The interfaces of the contracts, as far as a payout meets them.

// The macro writes items that say nothing about themselves.
#![allow(missing_docs)]

alloy_sol_types::sol! {
    // The owner's hash is the EIP-712 hash of this struct in the domain of one Safe on one chain.
    struct SafeTx {
        address to;
        uint256 value;
        bytes data;
        uint8 operation;
        uint256 safeTxGas;
        uint256 baseGas;
        uint256 gasPrice;
        address gasToken;
        address refundReceiver;
        uint256 nonce;
    }

    function setup(
        address[] owners,
        uint256 threshold,
        address to,
        bytes data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address paymentReceiver
    );

    function execTransaction(
        address to,
        uint256 value,
        bytes data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        bytes signatures
    );

    function addOwnerWithThreshold(address owner, uint256 threshold);
    function removeOwner(address previous, address owner, uint256 threshold);
    function swapOwner(address previous, address old, address new_);
    function changeThreshold(uint256 threshold);

    function createProxyWithNonce(address singleton, bytes initializer, uint256 saltNonce);
    function multiSend(bytes transactions);
    function transfer(address to, uint256 units);
}
