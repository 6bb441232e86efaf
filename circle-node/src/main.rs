//! The `circle` binary.

fn main() -> std::process::ExitCode {
    circle_node::cli::main()
}
