//! Key ceremonies, signing sessions and the exact bytes of a payout; pure.
