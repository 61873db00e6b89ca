package dbfailover_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/hipaakit/hipaakit/dbfailover"
)

// The page goes behind whatever lets administrators in, on a port of its own or under
// any path; the load balancer asks Ready.
func ExampleConnector_Handler() {
	connector, err := dbfailover.New(dbfailover.Config{
		Primary:   dbfailover.Server{Addr: "db-a.internal:3306"},
		Secondary: dbfailover.Server{Addr: "db-b.internal:3306"},
		TLS:       &tls.Config{RootCAs: x509.NewCertPool()},
		Topology:  dbfailover.Independent,
		Credentials: func(context.Context, dbfailover.Server) (dbfailover.Credentials, error) {
			return dbfailover.Credentials{User: "clinic", Password: dbfailover.NewPassword("hunter2")}, nil
		},
		Logger: slog.New(slog.DiscardHandler),
		// Nobody is there, and nothing proves it: the connector stays in INIT.
		Dial: func(context.Context, string) (net.Conn, error) { return nil, errors.New("no network") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	mux := http.NewServeMux()
	mux.Handle("GET /admin/database", connector.Handler(db))
	mux.HandleFunc("GET /healthy", func(w http.ResponseWriter, _ *http.Request) {
		if err := connector.Ready(); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})

	for _, target := range []string{"/admin/database", "/admin/database?format=json", "/admin/database?format=prometheus", "/healthy"} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest("GET", target, nil))
		fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	}
	// Output:
	// 200 text/html; charset=utf-8
	// 200 application/json
	// 200 text/plain; version=0.0.4; charset=utf-8
	// 503 text/plain; charset=utf-8
}
