package eventstore

import (
	"reflect"
	"time"
)

// stateBytes is what a stream's events weigh before its state is looked at: most streams never get there, and their
// events are a fair measure.
const stateBytes = 64 << 10

// weigh counts an event of n bytes in, and gives what the stream weighs more. A state may be far smaller than the events
// behind it (a product that is renamed each minute is one product still): with their weight it would be thrown out of
// the cache, and all of its events be read again for each command. So it is measured when they have doubled.
func (st *stream) weigh(n int) (more int) {
	before := st.bytes
	if st.bytes += n; st.bytes >= stateBytes && st.bytes >= 2*st.measured {
		st.measured = max(stateBytes/2, sizeOf(reflect.ValueOf(st.state)))
		st.bytes = st.measured
	}
	return st.bytes - before
}

var timeType = reflect.TypeFor[time.Time]()

// sizeOf is roughly what a value occupies with all that it points to; what is shared counts each time.
func sizeOf(v reflect.Value) int {
	if !v.IsValid() {
		return 0
	}
	return int(v.Type().Size()) + beyond(v)
}

// beyond is what a value points to.
func beyond(v reflect.Value) (bytes int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			bytes = sizeOf(v.Elem())
		}
	case reflect.String:
		bytes = v.Len()
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice {
			bytes = v.Cap() * int(v.Type().Elem().Size())
		}
		if plain(v.Type().Elem().Kind()) {
			return bytes
		}
		for i := range v.Len() {
			bytes += beyond(v.Index(i))
		}
	case reflect.Map:
		bytes = 16 * v.Len()
		for at := v.MapRange(); at.Next(); {
			bytes += sizeOf(at.Key()) + sizeOf(at.Value())
		}
	case reflect.Struct:
		if v.Type() == timeType {
			return 0 // its time zone is everybody's
		}
		for i := range v.NumField() {
			bytes += beyond(v.Field(i))
		}
	}
	return bytes
}

func plain(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Complex128 }
