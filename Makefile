.PHONY: build demo test lint

build:
	go build -o backref ./cmd/backref

demo:
	test/demo

test:
	test/run

lint:
	test/tools lint
	.tools/bin/golangci-lint run ./...
