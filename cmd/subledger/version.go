package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

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

// thisProgram is a hash of this binary: two of one version may differ.
func thisProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (c *versionCommand) Run(p *process) error {
	if c.json() {
		return p.writeJSON(thisBuild())
	}
	return thisBuild().write(p.stdout)
}

func (b build) write(to io.Writer) error {
	_, err := fmt.Fprintf(to, "subledger %s, %s, schema %s\n", b.Version, b.Go, b.Schema)
	return err
}

// showVersion is the flag --version, which many programs have: it prints and ends.
type showVersion bool

// BeforeReset is called when the flag is met, before anything is asked of the other arguments.
func (showVersion) BeforeReset(app *kong.Kong) error {
	err := thisBuild().write(app.Stdout)
	app.Exit(exitDone)
	return err
}
