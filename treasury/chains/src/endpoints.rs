//! Several servers of one chain: who is asked first, who rests after failures, and what a majority of them says.
