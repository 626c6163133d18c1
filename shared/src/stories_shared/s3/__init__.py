"""Object storage: any S3 behind the minio SDK, presigned URLs, lifecycle rules."""
