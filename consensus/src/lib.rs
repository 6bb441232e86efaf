//! One ordered log of opaque transactions: the link layer and the engines that agree on the order.
