package main

import "fmt"

// quantity writes a value of a result for a person.
func quantity(v float64, unit string) string {
	switch unit {
	case nanoseconds:
		return duration(v)
	case gain, smaller:
		return fmt.Sprintf("%.2fx", v)
	case fetched, perEntry:
		return size(v)
	case hits:
		return fmt.Sprintf("%.3f", v)
	}
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func duration(ns float64) string {
	switch {
	case ns >= 1e9:
		return fmt.Sprintf("%.2f s", ns/1e9)
	case ns >= 1e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.2f us", ns/1e3)
	}
	return fmt.Sprintf("%.0f ns", ns)
}

// size writes bytes, without a fraction where there is none: 64 KiB.
func size[T int | float64](bytes T) string {
	n := float64(bytes)
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.4g MiB", n/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.4g KiB", n/(1<<10))
	}
	return fmt.Sprintf("%.4g B", n)
}

// speed is that of so many bytes in so many nanoseconds.
func speed(bytes int, ns float64) string {
	if rate := float64(bytes) / ns; rate < 1 {
		return fmt.Sprintf("%.0f MB/s", 1000*rate)
	}
	return fmt.Sprintf("%.2f GB/s", float64(bytes)/ns)
}

// quantityOf writes a round number of things as a person would: 10 thousand entries.
func quantityOf(n int, things string) string {
	switch {
	case n >= 1e6 && n%1e5 == 0:
		return fmt.Sprintf("%g million %s", float64(n)/1e6, things)
	case n >= 1e4 && n%1e3 == 0:
		return fmt.Sprintf("%d thousand %s", n/1e3, things)
	}
	return fmt.Sprintf("%d %s", n, things)
}
