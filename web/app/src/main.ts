import "./style/index.css";
import "./style/page.css";
import { startPage } from "./page.tsx";

void startPage(window);
