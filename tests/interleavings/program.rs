fn main() {
    urpc::interleavings::run(std::env::args().skip(1).collect());
}
