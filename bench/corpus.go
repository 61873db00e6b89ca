package main

// corpusSize is what the cache's suite cuts its records from, in bytes.
const corpusSize = 16 << 20

// corpus returns corpusSize bytes of the files below dir, or of FHIR-like JSON
// without a folder.
func corpus(dir string) ([]byte, error) {
	if dir == "" {
		return fillUp(nil, corpusSize, observation), nil
	}
	return filesBelow(dir, corpusSize)
}

// slices cuts count records of that size from the corpus, spread over it.
func (b *bench) slices(size, count int) [][]byte { return cut(b.corpus, size, count) }
