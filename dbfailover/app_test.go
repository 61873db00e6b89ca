package dbfailover

import (
	"strings"
	"testing"
)

func goodApp(t *testing.T) App {
	return App{Name: "north", User: "north_app", Schemas: []string{"north"}, Folder: t.TempDir(), Monitor: login("mon")}
}

func TestApplicationsThatCannotWorkAreRefused(t *testing.T) {
	if a, err := goodApp(t).normal(); err != nil || a.Node == "" {
		t.Fatalf("%+v, %v", a, err)
	}
	for what, spoil := range map[string]func(*App){
		"App.Name":         func(a *App) { a.Name = "x'; DROP" },
		"a-z":              func(a *App) { a.Name = strings.Repeat("a", 21) },
		"App.User":         func(a *App) { a.User = "app@host" },
		"no application: ": func(a *App) { a.User = "root" },
		"is hipaakit, ":    func(a *App) { a.User = "hipaakit" },
		"empty":            func(a *App) { a.Schemas = nil },
		"letters":          func(a *App) { a.Schemas = []string{"a`b"} },
		"belongs":          func(a *App) { a.Schemas = []string{"hipaakit"} },
		"App.Monitor":      func(a *App) { a.Monitor = nil },
		"App.Failback":     func(a *App) { a.Failback = 9 },
		"App.Folder":       func(a *App) { a.Folder = "/does/not/exist" },
		"64 bytes":         func(a *App) { a.Node = strings.Repeat("n", 65) },
		"UTF-8":            func(a *App) { a.Node = "web-\xff" }, // Prometheus drops a page with such a label
		"control":          func(a *App) { a.Node = "web\n1" },
	} {
		a := goodApp(t)
		spoil(&a)
		if _, err := a.normal(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestScriptNeedsWhatItCannotKnow(t *testing.T) {
	in := Install{PrimaryID: 1, Monitor: "mon@10.0.0.%"}
	for what, spoil := range map[string]func(*App, *Install){
		"PrimaryID": func(_ *App, in *Install) { in.PrimaryID = 0 },
		"Monitor":   func(_ *App, in *Install) { in.Monitor = "mon'@x" },
		"App.Name":  func(a *App, _ *Install) { a.Name = "" },
	} {
		a, i := goodApp(t), in
		spoil(&a, &i)
		if _, err := Script(a, i); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	a := goodApp(t)
	a.Schemas = []string{"a_b"}
	script, err := Script(a, in)
	must(t, err)
	if strings.Contains(script, "{{") || !strings.Contains(script, `'a\\_b.%'`) || !strings.HasSuffix(script, "DELIMITER ;\n") {
		t.Error("the script is not what the client takes")
	}
}
