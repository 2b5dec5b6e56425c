# Two commands for a fresh machine: `make demo` and `make test`. Both first set up what is missing.
.PHONY: demo test setup reproducible bench instructions

demo: setup
	cargo run --release --quiet -- demo

test: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The plugin is compiled for wasm32-unknown-unknown. rustup provides that target; without rustup, the standard library
# is built from its sources, which some distributions package.
setup:
	@sh .ci/setup

# One table of how fast it is, each figure beside its baseline. Takes some minutes, on a machine that does nothing else.
bench: setup
	cargo build --release --locked -p playbook -p bench
	target/release/bench

# Counts instructions with Valgrind, and fails where they have grown.
instructions: setup
	@sh .ci/instructions
	PATH="$$HOME/.cargo/bin:$$PATH" cargo bench --locked -p bench --bench instructions

# Builds in different folders must give the same component, byte for byte.
reproducible: setup
	@sh .ci/reproducible
