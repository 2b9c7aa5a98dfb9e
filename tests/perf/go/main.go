// Load and mock backend for `make bench-router`: one thread each, epoll, loopback only.
//
//	perf mock -events 200 -gap 20ms
//	perf load -port 8080 -connections 32 -kind whole -warm 300ms -window 1s
//
// The mock prints its two ports and ends when its standard input does. The load prints `go` and
// `stop` at the ends of its window, then one line of JSON; it ends by itself.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "mock":
			mock(os.Args[2:])
			return
		case "load":
			load(os.Args[2:])
			return
		}
	}
	fail("use: perf mock|load [flags]")
}

func fail(text string, values ...any) {
	fmt.Fprintf(os.Stderr, text+"\n", values...)
	os.Exit(2)
}
