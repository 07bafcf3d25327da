package task

import (
	"strings"
	"unicode"

	"github.com/subledger/subledger/domain"
)

// Clip makes a provider's text fit to be kept: one line, at most 255 bytes of UTF-8.
func Clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.ToValidUTF8(text[:min(len(text), domain.MaxName)], "")
}
