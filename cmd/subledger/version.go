package main

import (
	"fmt"
	"runtime/debug"

	"github.com/subledger/subledger/migrations"
)

// version is set by the Makefile: -ldflags "-X main.version=…".
var version = ""

type versionCommand struct {
	Output
}

// build describes this binary.
type build struct {
	Version string `json:"version"` // a tag or commit; "devel" when it was built without either
	Go      string `json:"go"`
	Schema  string `json:"schema"` // a hash of the migrations
}

func thisBuild() build {
	b := build{Version: version, Schema: migrations.Fingerprint()}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Go = info.GoVersion
		if b.Version == "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

func (c *versionCommand) Run(p *process) error {
	b := thisBuild()
	if c.json() {
		return p.writeJSON(b)
	}
	_, err := fmt.Fprintf(p.stdout, "subledger %s, %s, schema %s\n", b.Version, b.Go, b.Schema)
	return err
}
