package dbfailover

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// frame shows the page as wide as a phone is, and writes down what a reader would see.
// The script is the test's: the page itself has none, and its policy would not run it.
const frame = `<!DOCTYPE html><iframe src="/page" style="width:390px;height:844px;border:0"></iframe><pre id="seen"></pre><script>
const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
const light = s => { const [r, g, b] = s.match(/\d+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b) }
onload = () => {
  const d = document.querySelector("iframe").contentDocument, root = d.documentElement, style = e => d.defaultView.getComputedStyle(e)
  const back = style(d.body).backgroundColor, b = light(back)
  let contrast = 21, wide = ""
  for (const e of d.body.querySelectorAll("*")) {
    const t = light(style(e).color)
    contrast = Math.min(contrast, (Math.max(b, t) + 0.05) / (Math.min(b, t) + 0.05))
    if (e.getBoundingClientRect().right > 390) wide += e.tagName + " "
  }
  document.getElementById("seen").textContent = JSON.stringify({Width: root.clientWidth, Scroll: root.scrollWidth, Wide: wide,
    Back: back, Contrast: contrast, Styled: style(d.querySelector("table")).borderCollapse, Smallest: parseFloat(style(d.querySelector("td")).fontSize)})
}
</script>`

// shown is what the frame wrote down.
type shown struct {
	Width, Scroll      int
	Wide, Back, Styled string
	Contrast, Smallest float64
}

// TestPageFitsAPhone renders the page in a browser: 390 px wide nothing has to be
// scrolled sideways, the policy lets its own style in, and every text stands out from
// its background by 4.5 to 1 (WCAG 2.2, 1.4.3), in light and dark.
func TestPageFitsAPhone(t *testing.T) {
	browser := findBrowser(t)
	s := httptest.NewServer(framed(busyHandler()))
	defer s.Close()
	backs := map[string]bool{}
	for _, scheme := range []string{"0", "1"} { // dark, light
		dom := browse(t, browser, s.URL, "--blink-settings=preferredColorScheme="+scheme)
		found := regexp.MustCompile(`<pre id="seen">(\{.*?\})</pre>`).FindStringSubmatch(dom)
		if found == nil {
			t.Fatalf("nothing was measured:\n%s", dom)
		}
		var got shown
		must(t, json.Unmarshal([]byte(html.UnescapeString(found[1])), &got))
		if got.Width < 360 || got.Scroll > got.Width || got.Wide != "" {
			t.Errorf("390 px wide: %+v", got)
		}
		if got.Styled != "collapse" || got.Contrast < 4.5 || got.Smallest < 14 {
			t.Errorf("hard to read: %+v", got)
		}
		backs[got.Back] = true
	}
	if len(backs) != 2 {
		t.Errorf("light and dark have the same background: %v", backs)
	}
}

// framed lets the test's own page put the handler's into a frame.
func framed(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, frame) })
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, r)
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		policy := strings.Replace(recorder.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'", "frame-ancestors 'self'", 1)
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(recorder.Body.Bytes())
	})
	return mux
}

func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	testbed.RequireOrSkip(t, "Chromium (Debian package chromium), so nobody looks at the page")
	return ""
}

// browse returns the document as it is once loaded.
func browse(t *testing.T, browser, url string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // against hanging
	defer cancel()
	// Without its sandbox: that needs a user other than root, and the page is ours.
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir=" + t.TempDir(), "--virtual-time-budget=10000", "--dump-dom"}, flags...)
	cmd := exec.CommandContext(ctx, browser, append(args, url)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	return string(out)
}
