// Package pdftest reads what package invoicepdf wrote, for tests.
package pdftest

import (
	"bytes"
	"compress/zlib"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

var (
	streams = regexp.MustCompile(`(?s)stream\n(.*?)\nendstream`)
	texts   = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`)
)

// Pages is what is written on each page, a line each: texts stand in the file in UTF-16.
func Pages(t *testing.T, file []byte) (all []string) {
	t.Helper()
	for _, m := range streams.FindAllSubmatch(file, -1) {
		z, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue // not compressed
		}
		content, err := io.ReadAll(z)
		require.NoError(t, err)
		var page strings.Builder
		for _, text := range texts.FindAllSubmatch(content, -1) {
			raw := strings.NewReplacer(`\\`, `\`, `\(`, "(", `\)`, ")", `\r`, "\r").Replace(string(text[1]))
			var units []uint16
			for i := 0; i+1 < len(raw); i += 2 {
				units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
			}
			page.WriteString(string(utf16.Decode(units)) + "\n")
		}
		if page.Len() > 0 {
			all = append(all, page.String())
		}
	}
	return all
}

var amount = regexp.MustCompile(`(?m)^([A-Z]{3} )?−?[0-9]+(\.[0-9]+)?$`)

// Amounts are the numbers that stand alone: quantities, prices, amounts and sums, in their order.
func Amounts(t *testing.T, file []byte) []string {
	t.Helper()
	return amount.FindAllString(strings.Join(Pages(t, file), ""), -1)
}
