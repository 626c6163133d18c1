export { Stories, type StoriesOptions } from "./client.ts";
export type * from "./model.ts";
export { StoriesError } from "./problem.ts";
export type { paths } from "./schema.d.ts";
export type { Fetch, Token } from "./transport.ts";
export { Upload, type UploadProgress, type UploadStage, type UploadState } from "./upload.ts";
export { ViewQueue, type ViewQueueOptions, type ViewStorage } from "./views.ts";
