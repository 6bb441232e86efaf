//! A proxy between a client and a server that does what networks and servers do wrong.
