package awskms_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// fault answers in place of a service that does what it should. What it would have
// said is given; nil where it would have refused.
type fault func(w http.ResponseWriter, r *http.Request, answer map[string]any)

// inject breaks the next requests one by one; nil leaves one alone.
func (f *fakeKMS) inject(faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// breakAll breaks every request until it is called with nil.
func (f *fakeKMS) breakAll(broken fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.always = broken
}

// setDown makes connections to a fake that is used without sockets be refused.
func (f *fakeKMS) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func code(status int, code string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { refuse(w, status, code) }
}

// page is what a gateway says that stands in front.
func page(status int) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		io.WriteString(w, "<html>come back later</html>")
	}
}

func body(s string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { io.WriteString(w, s) }
}

// hang answers nothing for as long as the client waits.
func hang(_ http.ResponseWriter, r *http.Request, _ map[string]any) { <-r.Context().Done() }

// hangUp closes the connection.
func hangUp(http.ResponseWriter, *http.Request, map[string]any) { panic(http.ErrAbortHandler) }

// truncated cuts the JSON off inside of the plaintext, with nothing wrong in HTTP.
func truncated(w http.ResponseWriter, _ *http.Request, answer map[string]any) {
	whole, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	at := bytes.Index(whole, []byte(`"Plaintext":"`)) + len(`"Plaintext":"`) + 20
	w.Write(whole[:at])
}

// with changes one field of the answer; nil takes it out.
func with(field string, value any) fault {
	return func(w http.ResponseWriter, _ *http.Request, answer map[string]any) {
		if value == nil {
			delete(answer, field)
		} else {
			answer[field] = value
		}
		write(w, answer)
	}
}
