package domain

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Scanner reads an event's JSON as the log's encoder writes it: fields in the order of the struct, no
// white space, texts of plain ASCII. Anything else fails it, and the general decoder has its turn: what a
// Scanner reads, that one reads as the same. It is for the events that most logs are made of.
type Scanner struct {
	rest   []byte
	failed bool
	// Open decrypts a Personal value, which is bound to the JSON pointer of its field.
	open func(text []byte, pointer string) (Personal, bool)
}

// Scan begins with data.
func (s *Scanner) Scan(data []byte, open func(text []byte, pointer string) (Personal, bool)) {
	s.rest, s.failed, s.open = data, false, open
}

// Done tells whether all was read.
func (s *Scanner) Done() bool { return !s.failed && len(s.rest) == 0 }

// Failed tells whether something else came than was asked for.
func (s *Scanner) Failed() bool { return s.failed }

func (s *Scanner) fail() { s.rest, s.failed = nil, true }

// Is passes over a text that has to come next.
func (s *Scanner) Is(text string) {
	if !s.Has(text) {
		s.fail()
	}
}

// Has passes over a text if it comes next.
func (s *Scanner) Has(text string) bool {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// raw is what stands between quotes.
func (s *Scanner) raw() []byte {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		s.fail()
		return nil
	}
	for i, c := range s.rest[1:] {
		switch {
		case c == '"':
			text := s.rest[1 : i+1]
			s.rest = s.rest[i+2:]
			return text
		case c == '\\' || c < ' ' || c > '~':
			s.fail()
			return nil
		}
	}
	s.fail()
	return nil
}

// Text reads a text.
func (s *Scanner) Text() string { return string(s.raw()) }

// Word reads a text that is one of a few, most times: those need no memory of their own.
func (s *Scanner) Word(usual ...string) string {
	text := s.raw()
	for _, u := range usual {
		if string(text) == u {
			return u
		}
	}
	return string(text)
}

// ID reads a UUID in lower case.
func (s *Scanner) ID() (id uuid.UUID) {
	const length = 38
	if len(s.rest) < length || s.rest[0] != '"' || s.rest[length-1] != '"' {
		s.fail()
		return id
	}
	text := s.rest[1 : length-1]
	if text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		s.fail()
		return id
	}
	at := 0
	for i := range id {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			at++
		}
		high, low := nibbles[text[at]], nibbles[text[at+1]]
		if high|low > 0xf {
			s.fail()
			return uuid.UUID{}
		}
		id[i] = high<<4 | low
		at += 2
	}
	s.rest = s.rest[length:]
	return id
}

// nibbles are the values of lower case hexadecimal digits; 0xff is none.
var nibbles = func() (all [256]byte) {
	for i := range all {
		all[i] = 0xff
	}
	for i, c := range "0123456789abcdef" {
		all[c] = byte(i)
	}
	return all
}()

// Int reads an integer of up to 18 digits.
func (s *Scanner) Int() int {
	sign := 1
	if s.Has("-") {
		sign = -1
	}
	n, digits := s.digits(18)
	if digits == 0 || digits > 1 && n < pow10(digits-1) { // none, or a zero before others
		s.fail()
		return 0
	}
	if n == 0 && sign < 0 {
		s.fail() // -0
	}
	return sign * int(n)
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

func (s *Scanner) digits(most int) (n int64, count int) {
	for count < len(s.rest) && count < most && s.rest[count] >= '0' && s.rest[count] <= '9' {
		n = n*10 + int64(s.rest[count]-'0')
		count++
	}
	s.rest = s.rest[count:]
	return n, count
}

// Decimal reads a number in quotes, of up to 18 digits.
func (s *Scanner) Decimal() decimal.Decimal {
	s.Is(`"`)
	negative := s.Has("-")
	n, before := s.digits(18)
	scale := 0
	if s.Has(".") {
		part, behind := s.digits(18)
		if behind == 0 || before+behind > 18 {
			s.fail()
			return decimal.Decimal{}
		}
		n, scale = n*pow10(behind)+part, behind
	}
	if before == 0 {
		s.fail()
	}
	s.Is(`"`)
	if s.failed {
		return decimal.Decimal{}
	}
	if negative {
		n = -n
	}
	return decimal.New(n, int32(-scale))
}

// Time reads a time of RFC 3339 in UTC, with up to nine digits behind the second.
func (s *Scanner) Time() time.Time {
	text := s.raw()
	if len(text) < len("2006-01-02T15:04:05Z") || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[len(text)-1] != 'Z' {
		s.fail()
		return time.Time{}
	}
	bad := false
	number := func(digits []byte) (n int) {
		for _, c := range digits {
			bad = bad || c < '0' || c > '9'
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(text[:4]), number(text[5:7]), number(text[8:10])
	hour, minute, second := number(text[11:13]), number(text[14:16]), number(text[17:19])
	nanos := 0
	if fraction := text[19 : len(text)-1]; len(fraction) > 0 {
		if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 10 {
			s.fail()
			return time.Time{}
		}
		nanos = number(fraction[1:]) * int(pow10(10-len(fraction)))
	}
	if bad || month < 1 || month > 12 || day < 1 || day > 28 && day > time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day() ||
		hour > 23 || minute > 59 || second > 59 {
		s.fail()
		return time.Time{}
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
}

// Personal reads a personal field; pointer is its JSON pointer.
func (s *Scanner) Personal(pointer string) (p Personal) {
	text := s.raw()
	if s.failed {
		return p
	}
	p, ok := s.open(text, pointer)
	if !ok {
		s.fail()
	}
	return p
}
