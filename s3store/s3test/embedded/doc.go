// Package embedded runs the suite of package s3test over rclone/gofakes3, the S3
// server that lives in the process of whoever needs one. It is a module of its own,
// so that the server is in nobody else's module graph.
package embedded
