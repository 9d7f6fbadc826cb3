//! Tells the linker what memory the board has.

fn main() {
    linker::link(include_bytes!("memory.x"), &["-Tlink.x", "--nmagic"]);
}
