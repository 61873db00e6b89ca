package dbfailover_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"os"

	"github.com/hipaakit/hipaakit/dbfailover"
)

// An application changes the line that opens its sql.DB.
func Example() {
	pem, err := os.ReadFile("/etc/app/database-ca.pem")
	if err != nil {
		fmt.Println("no CA of the database servers here")
		return
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	connector, err := dbfailover.New(dbfailover.Config{
		Primary:   dbfailover.Server{Addr: "db-a.internal:3306"},
		Secondary: dbfailover.Server{Addr: "db-b.internal:3306"},
		Database:  "clinic",
		TLS:       &tls.Config{RootCAs: roots},
		Topology:  dbfailover.Independent,
		Credentials: func(ctx context.Context, s dbfailover.Server) (dbfailover.Credentials, error) {
			secret, err := os.ReadFile("/run/secrets/db-password")
			return dbfailover.Credentials{User: "clinic", Password: dbfailover.NewPassword(string(secret))}, err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	// Output: no CA of the database servers here
}

// Relation between the servers has to be said; TLS has to be verifiable.
func ExampleNew_refused() {
	_, err := dbfailover.New(dbfailover.Config{
		Primary:     dbfailover.Server{Addr: "db-a.internal:3306"},
		Secondary:   dbfailover.Server{Addr: "db-b.internal:3306"},
		Topology:    dbfailover.Independent,
		TLS:         &tls.Config{RootCAs: x509.NewCertPool(), InsecureSkipVerify: true},
		Credentials: func(context.Context, dbfailover.Server) (c dbfailover.Credentials, err error) { return },
	})
	fmt.Println(err)
	// Output: dbfailover: Config.TLS: InsecureSkipVerify is set: servers are always verified; remove it
}

// A password can be handed around and cannot be printed.
func ExamplePassword() {
	c := dbfailover.Credentials{User: "clinic", Password: dbfailover.NewPassword("hunter2")}
	fmt.Printf("%+v\n", c)
	// Output: {User:clinic Password:[redacted] Cleartext:false}
}

// What an administrator runs on both servers, before the first web node starts.
func ExampleScript() {
	script, err := dbfailover.Script(
		dbfailover.App{Name: "clinic", User: "clinic", Schemas: []string{"clinic"}},
		dbfailover.Install{PrimaryID: 1, Monitor: "clinic_mon@10.0.0.%"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(script) > 1000)
	fmt.Print(dbfailover.InitFile)
	// Output:
	// true
	// CALL hipaakit.boot();
	// START REPLICA;
}
