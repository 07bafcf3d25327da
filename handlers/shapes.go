package handlers

import (
	"net/http"
	"strings"
)

// shape is a route whose variables are all ids.
type shape struct {
	serve handle
	names []string // of the variables, in their order
}

func (m *mount) addShape(method, path string, serve handle) {
	key, names := shapeOf([]byte(method+" "+m.prefix), path, isVariable)
	if _, taken := m.shapes[string(key)]; !taken && len(names) > 0 { // the first one wins, as in the router
		m.shapes[string(key)] = shape{serve, names}
	}
}

// byShape finds the route of a path whose variables are all ids: a look-up in place of a regular expression
// for each route, which the router tries one after the other. Nil: whatever else it is, the router knows.
func (m *mount) byShape(r *http.Request) (handle, map[string]string) {
	if r.URL.RawPath != "" {
		return nil, nil
	}
	var buf [256]byte
	key, ids := shapeOf(append(append(buf[:0], r.Method...), ' '), r.URL.Path, isID)
	known, ok := m.shapes[string(key)]
	if !ok || len(ids) != len(known.names) {
		return nil, nil
	}
	vars := make(map[string]string, len(ids))
	for i, name := range known.names {
		vars[name] = ids[i]
	}
	return known.serve, vars
}

// shapeOf appends a path to key with {} for each segment that counts as variable, and gives those segments.
func shapeOf(key []byte, path string, variable func(string) bool) (shape []byte, segments []string) {
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		key = append(key, '/')
		if variable(segment) {
			if segments == nil {
				segments = make([]string, 0, 2)
			}
			key, segments = append(key, "{}"...), append(segments, strings.Trim(segment, "{}"))
		} else {
			key = append(key, segment...)
		}
	}
	return key, segments
}

// isVariable tells of a route's segment whether it is one variable without a pattern of its own.
func isVariable(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") && !strings.Contains(segment, ":")
}

// isID tells of a path's segment whether it is written as a UUID.
func isID(segment string) bool {
	_, ok := ParseUUID(segment)
	return ok
}
