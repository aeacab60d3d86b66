package main

import "github.com/peterbourgon/ff/v3/ffcli"

func newChatCmd() *ffcli.Command { return &ffcli.Command{Name: "chat"} }
