// Command kind is kind's own, pinned by this module: clusters in Docker containers.
package main

import "sigs.k8s.io/kind/cmd/kind/app"

func main() {
	app.Main()
}
