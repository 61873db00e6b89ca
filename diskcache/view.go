package diskcache

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unsafe"
)

// View is an immutable run of bytes. The memory tier hands the same bytes to
// every caller without copying them; were they a []byte, one caller's write
// would corrupt another patient's read. So immutability is a matter of type:
// no method gives out the bytes themselves, not even to an io.Writer.
//
// The zero View is empty. Views are safe for concurrent use. Printing one
// shows its length, never its content.
type View struct {
	_ [0]func() // == would compare addresses: not comparable

	// A pointer and a length, not a string: fmt follows strings through
	// unexported fields of a caller's struct, past the Format method, and
	// plaintext would end up in a log. It does not follow pointers there.
	data *byte
	size int
}

// NewView takes ownership of b: the caller must not write to b, nor to
// anything that shares its array, from here on. If much of that array is beyond
// b's end, it copies b: the whole array would stay in memory for as long as the View
// does, and the budget could not see it.
func NewView(b []byte) View {
	if cap(b)-len(b) > len(b)/8+64 {
		b = append(make([]byte, 0, len(b)), b...)
	}
	return View{data: unsafe.SliceData(b), size: len(b)}
}

// Len returns the number of bytes.
func (v View) Len() int { return v.size }

// At returns byte i. It panics unless 0 <= i < Len, as an index would.
func (v View) At(i int) byte { return v.text()[i] }

// Bytes returns a copy, which is the caller's.
func (v View) Bytes() []byte { return v.AppendTo(make([]byte, 0, v.size)) }

// AppendTo appends the bytes to dst and returns the extended slice.
func (v View) AppendTo(dst []byte) []byte { return append(dst, v.text()...) }

// Reader returns a reader over the bytes, with ReadAt and Seek. It is
// suitable for http.ServeContent.
func (v View) Reader() *strings.Reader { return strings.NewReader(v.text()) }

// WriteTo writes the bytes to w. A writer that takes strings (an
// http.ResponseWriter, a bufio.Writer, a file) is given the bytes without a
// copy; any other one sees a copy in pieces, because io.Writer asks its
// implementations not to modify what they are given but cannot make them.
func (v View) WriteTo(w io.Writer) (int64, error) {
	if sw, ok := w.(io.StringWriter); ok {
		n, err := sw.WriteString(v.text())
		return int64(n), err
	}
	type plainReader struct{ io.Reader } // hides WriteTo, which would copy all at once
	type plainWriter struct{ io.Writer }
	buf := make([]byte, min(max(v.size, 1), 32<<10))
	return io.CopyBuffer(plainWriter{w}, plainReader{v.Reader()}, buf)
}

// Format implements fmt.Formatter for every verb.
func (v View) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "diskcache.View(%d bytes)", v.size)
}

// LogValue implements slog.LogValuer, with the length.
func (v View) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(v)) }

func (v View) text() string { return unsafe.String(v.data, v.size) }

// bytes gives the cache itself the shared bytes, to read only.
func (v View) bytes() []byte { return unsafe.Slice(v.data, v.size) }
