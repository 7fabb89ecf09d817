package main

import (
	"fmt"
	"io"
	"os"

	"gvisor.dev/gvisor/pkg/unet"
	"gvisor.dev/gvisor/pkg/urpc"
)

// serve answers every client of path. It prints "ready" when it listens, and ends when standard
// input ends, so that it never outlives the test that started it.
func serve(path string) error {
	listener, err := unet.BindAndListen(path, false)
	if err != nil {
		return err
	}
	server := urpc.NewServer()
	server.Register(&Peer{})
	go accept(listener, server)
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func accept(listener *unet.ServerSocket, server *urpc.Server) {
	for {
		client, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "peer: accept:", err)
			os.Exit(1)
		}
		server.StartHandling(client)
	}
}
