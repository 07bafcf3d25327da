package period

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/subledger/subledger/domain"
)

// ZoneVersion names the release of the IANA time zone database that this program computes with. Its data is
// lib/time/zoneinfo.zip of Go 1.26.8 (public domain, see iana.org/time-zones).
const ZoneVersion = "2025c"

// The archive is ours because time.LoadLocation asks ZONEINFO and the machine's files first and time/tzdata last:
// two machines would put one boundary at two instants, and a replay would not give what was recorded.
//
//go:embed zoneinfo.zip
var zoneinfo string

// zones reads the archive's directory once, and a zone when it is first asked for.
var zones = sync.OnceValue(func() map[string]func() *time.Location {
	archive, err := zip.NewReader(strings.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic(fmt.Sprintf("period: read zoneinfo.zip: %v", err))
	}
	z := make(map[string]func() *time.Location, len(archive.File))
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			z[f.Name] = sync.OnceValue(func() *time.Location { return readZone(f) })
		}
	}
	z["UTC"] = func() *time.Location { return time.UTC }
	return z
})

// readZone panics where the embedded archive is broken: a bad build, not a bad request.
func readZone(f *zip.File) *time.Location {
	r, err := f.Open()
	if err != nil {
		panic(fmt.Sprintf("period: open zone %s: %v", f.Name, err))
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		panic(fmt.Sprintf("period: read zone %s: %v", f.Name, err))
	}
	loc, err := time.LoadLocationFromTZData(f.Name, data)
	if err != nil {
		panic(fmt.Sprintf("period: decode zone %s: %v", f.Name, err))
	}
	return loc
}

// Zone finds a time zone by its IANA name, case and all, in the embedded database and nowhere else. It refuses the
// rest, "" and "Local" included: unknown_time_zone. The same name gives the same pointer.
func Zone(name string) (*time.Location, error) {
	load, ok := zones()[name]
	if !ok {
		return nil, domain.Refuse(domain.Invalid, "unknown_time_zone", "%.40q is not a time zone of the IANA database", name)
	}
	return load(), nil
}
