module slipway.example/lab/pause

go 1.24
