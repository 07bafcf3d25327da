package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// usageColumns are those that a file of usage may have, with their names in a request.
var usageColumns = map[string]string{"key": "key", "quantity": "quantity", "at": "at", "meter": "meter", "value": "value",
	"license": "licenseUuid", "subscription": "subscriptionUuid", "grantee": "granteeId", "plan": "planUuid"}

// longestLine bounds a line: no quote that is left open takes the rest of the file for one field.
const longestLine = 64 << 10

// usageRow is a line of a file.
type usageRow struct {
	line   int
	key    string
	fields map[string]string // as a request has them; those that are empty are left out; nil: it can't be read
	bad    string            // why it can't be read
}

// usageFile reads rows one line after the other.
type usageFile struct {
	lines   *bufio.Reader
	columns []string // a request's names, in the file's order
	line    int
	read    int64 // bytes
}

// openUsage reads the header.
func openUsage(in io.Reader) (*usageFile, error) {
	f := &usageFile{lines: bufio.NewReaderSize(in, longestLine)}
	text, err := f.next()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: its first line names the columns")
	}
	if err != nil {
		return nil, err
	}
	names, err := fieldsOf(strings.TrimPrefix(text, "\ufeff"))
	if err != nil {
		return nil, fmt.Errorf("the first line: %w", err)
	}
	for _, name := range names {
		column, known := usageColumns[strings.ToLower(strings.TrimSpace(name))]
		switch {
		case !known:
			return nil, fmt.Errorf("the first line names a column %q; known are key, quantity, at, meter, value, license, subscription, grantee and plan", name)
		case slices.Contains(f.columns, column):
			return nil, fmt.Errorf("the first line names the column %s twice", name)
		}
		f.columns = append(f.columns, column)
	}
	for _, must := range []string{"key", "quantity"} {
		if !slices.Contains(f.columns, must) {
			return nil, fmt.Errorf("the first line names no column %s", must)
		}
	}
	if !slices.ContainsFunc(f.columns, func(c string) bool { return c == "licenseUuid" || c == "subscriptionUuid" || c == "granteeId" }) {
		return nil, errors.New("no column says whose usage it is: license, subscription, or grantee with plan")
	}
	return f, nil
}

var errLongLine = errors.New("the line is longer than 65,536 bytes")

// next is the next line; one that is too long is passed over and told.
func (f *usageFile) next() (string, error) {
	f.line++
	data, err := f.lines.ReadSlice('\n')
	f.read += int64(len(data))
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			data, err = f.lines.ReadSlice('\n')
			f.read += int64(len(data))
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = errLongLine
		}
		return "", err
	}
	if errors.Is(err, io.EOF) && len(data) > 0 {
		err = nil
	}
	return string(bytes.TrimRight(data, "\r\n")), err
}

func fieldsOf(line string) ([]string, error) {
	if !strings.Contains(line, `"`) { // nearly all: a reader for each would cost more than all else here
		return strings.Split(line, ","), nil
	}
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
		err = parse.Err
	}
	return fields, err
}

// row is the next row; io.EOF after the last. Lines with nothing on them are none.
func (f *usageFile) row() (usageRow, error) {
	for {
		text, err := f.next()
		row := usageRow{line: f.line}
		switch {
		case errors.Is(err, errLongLine):
			row.bad = err.Error()
			return row, nil
		case err != nil:
			return row, err
		case text == "":
			continue
		}
		fields, err := fieldsOf(text)
		switch {
		case err != nil:
			row.bad = err.Error()
			return row, nil
		case len(fields) != len(f.columns):
			row.bad = fmt.Sprintf("it has %d fields, not %d as the first line", len(fields), len(f.columns))
			return row, nil
		}
		row.fields = make(map[string]string, len(fields))
		for i, value := range fields {
			if value = strings.TrimSpace(value); value != "" {
				row.fields[f.columns[i]] = value
			}
			if why := unfit(value); why != "" && row.bad == "" {
				row.bad = f.columns[i] + " " + why
			}
		}
		if row.key = row.fields["key"]; row.bad != "" {
			row.fields = nil
		}
		return row, nil
	}
}

// unfit tells what a request can't hold: it is the row's fault and not that of the batch which it would be sent in.
func unfit(value string) string {
	switch {
	case strings.IndexByte(value, 0) >= 0:
		return "holds U+0000"
	case !utf8.ValidString(value):
		return "is not UTF-8"
	}
	return ""
}

// body is a request's with these rows; one that can't be read is null, which is rejected in its place.
func body(rows []usageRow) ([]byte, error) {
	records := make([]map[string]string, len(rows))
	for i, row := range rows {
		records[i] = row.fields
	}
	return json.Marshal(map[string]any{"records": records})
}
