// Command trivydb writes a small vulnerability database that Trivy reads like the published one.
//
// Usage: trivydb ADVISORIES.json FOLDER
//
// It goes through trivy-db's own API, so that the format is Trivy's and not a guess of ours.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"
)

// entry is one advisory: a package of a platform or ecosystem, the version that mends it, the severity.
type entry struct {
	ID       string `json:"id"`
	Platform string `json:"platform"`
	Package  string `json:"package"`
	Fixed    string `json:"fixed"`
	Affected string `json:"affected"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: trivydb ADVISORIES.json FOLDER")
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func write(source, folder string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	var entries []entry
	if err := json.Unmarshal(text, &entries); err != nil {
		return err
	}
	if err := db.Init(folder); err != nil {
		return err
	}
	config := db.Config{}
	err = config.BatchUpdate(func(tx *bolt.Tx) error {
		for _, e := range entries {
			if err := put(config, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	// A day that never comes: the lab has no newer database to fetch.
	now := time.Now().UTC()
	return metadata.NewClient(folder).Update(metadata.Metadata{
		Version: db.SchemaVersion, UpdatedAt: now, NextUpdate: now.AddDate(10, 0, 0), DownloadedAt: now,
	})
}

func put(config db.Config, tx *bolt.Tx, e entry) error {
	source := types.DataSource{ID: "slipway-lab", Name: "Slipway's lab", URL: "https://lab.slipway.example"}
	if err := config.PutDataSource(tx, e.Platform, source); err != nil {
		return err
	}
	advisory := types.Advisory{FixedVersion: e.Fixed}
	if e.Affected != "" {
		advisory = types.Advisory{VulnerableVersions: []string{e.Affected}, PatchedVersions: []string{e.Fixed}}
	}
	if err := config.PutAdvisory(tx, []string{e.Platform, e.Package}, e.ID, advisory); err != nil {
		return err
	}
	detail := types.Vulnerability{Title: e.Title, Severity: e.Severity}
	if err := config.PutVulnerability(tx, e.ID, detail); err != nil {
		return err
	}
	return config.PutVulnerabilityID(tx, e.ID)
}
