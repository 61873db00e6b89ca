package dbfailover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// memory is what a web node keeps on disk: the highest epoch it has ever seen. With
// it a server that comes back from a crash can be opened while the other one is gone;
// without it a node that starts during an outage has to wait for both.
type memory struct {
	highest epoch
	ids     [2]uint32 // server_id of Primary and Secondary
}

// memoryFile is the shape of the file: one JSON object, replaced as a whole.
type memoryFile struct {
	App       string
	Epoch     uint64
	Server    uint32
	GTID      string
	ServerIDs [2]uint32
}

func memoryPath(a App) string { return filepath.Join(a.Folder, a.Name+".epoch.json") }

// recall reads the file. None is an empty memory; one that cannot be read is an error,
// because guessing here is how two servers come to be written.
func recall(a App) (memory, error) {
	data, err := os.ReadFile(memoryPath(a))
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, fmt.Errorf("dbfailover: App.Folder: %w", err)
	}
	var f memoryFile
	if err := json.Unmarshal(data, &f); err != nil || f.App != a.Name {
		return memory{}, fmt.Errorf("dbfailover: %s is damaged or another application's: remove it while both servers are up", memoryPath(a))
	}
	return memory{highest: epoch{f.Epoch, f.Server, f.GTID}, ids: f.ServerIDs}, nil
}

// keep replaces the file so that a crash leaves the old one or the new one.
func (m memory) keep(a App) error {
	data, err := json.Marshal(memoryFile{a.Name, m.highest.number, m.highest.server, m.highest.gtid, m.ids})
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(a.Folder, a.Name+".epoch.*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already if all went well
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), memoryPath(a))
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(a.Folder)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync() // or the name may not survive
}
